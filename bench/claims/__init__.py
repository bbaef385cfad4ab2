"""`bench claims`: each claim's arms, again and again, freshly deployed; what came of them stored for the rule that judges them."""
