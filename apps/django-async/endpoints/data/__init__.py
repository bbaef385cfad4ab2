"""How the database endpoints reach their rows: `orm` and `raw` have the same functions; settings choose one."""
