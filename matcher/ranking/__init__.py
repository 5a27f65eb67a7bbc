"""All images ranked for every patch, how good a ranking is, and rankings of two methods fused."""
