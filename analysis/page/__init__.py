"""The page's content, as values that the template prints: every text is a sentence of analysis.words, every number rounded."""
