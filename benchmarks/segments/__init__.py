"""How long it takes to evaluate many merchants' rules, against one query per rule."""
