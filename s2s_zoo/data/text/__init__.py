"""What surrounds a sentence in real text: documents, spans that must not change, their forms."""
