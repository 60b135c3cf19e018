"""What writes a picture: SVG, PNG and PDF, DOT, Mermaid, HTML."""
