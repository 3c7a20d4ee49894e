"""What an open page fetches: runs as they grow, decoders, codes, maps. Nothing here is a Streamlit element."""
