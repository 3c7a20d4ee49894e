"""What an open page fetches: runs as they grow, decoders, codes, maps. Nothing here is a Streamlit element.

run_watcher live        the files of a run watched for all its viewers, and sent to them
decoder codes map       what is fetched: decoders, codes and images, maps
moments                 the same of a run at the moments that it kept
comparison              two runs compared, computed once for all who ask
exports                 files that were made of runs, downloaded
processes               what a page has started, held once per server
shortcut                the way there, past Streamlit's layers
cache limiters          models and codes by the weights' digest; threads for slow answers
"""
