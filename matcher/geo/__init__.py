"""What a picture says of where it lies on Earth."""
