"""From candidates to the answer: which place, how sure that is, and why not."""
