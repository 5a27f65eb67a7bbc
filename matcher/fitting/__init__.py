"""The numbers that a match goes by, fitted in closed form to series of several dates (`matcher fit`)."""
