"""Two scenes on one grid: tie points, the transform they tell, and what is left."""
