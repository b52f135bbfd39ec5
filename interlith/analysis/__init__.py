"""What we learn: hulls, windows, reactions, coatings, interphases."""
