"""The claims: from the stored records of an experiment to a verdict by the rule that was written down before, and to what shows it.

    records -> effects -> verdict -> document, page, pictures, pages of docs/claims

Nothing here is decided by a hand: `verdict` applies the rule that the run itself holds, as it stood when it began.
docs/claims.md describes rules and verdicts.
"""
