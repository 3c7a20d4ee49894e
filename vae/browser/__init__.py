"""What does the page get? Files that the browser's modules read without Python."""
