"""The Explore page: the space that it shows, and the ways to look at it: space, modes."""
