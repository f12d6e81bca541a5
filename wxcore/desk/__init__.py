"""The web desk: pages, who may see and do what, and the shield around them."""
