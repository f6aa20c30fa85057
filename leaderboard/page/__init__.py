"""The page that one looks at, its gallery, and figures for papers."""
