"""What the pages of all stages share: frame and style, figures, pictures, and the form of numbers and names."""
