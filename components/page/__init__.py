"""What the pages that stages write have in common: frame and style, figures, pictures, and words for numbers."""
