"""HTTP, HTML, Dash, Excel and the command line: the only package that knows them."""
