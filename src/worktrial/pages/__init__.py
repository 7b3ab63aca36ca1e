"""What all pages share: hostile text and patches made fit to show, templates that escape, and the style."""
