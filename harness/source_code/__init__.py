"""Source code as trees: six languages parsed by tree-sitter, and what is read off the trees."""
