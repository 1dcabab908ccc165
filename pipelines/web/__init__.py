"""The face in the browser: one file a tab, `page` puts them together. The only room that knows gradio."""

import os

# Read by gradio while it is imported, so they are set before any file of this room imports it: no usage statistics, no
# question to a model hub.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_OFFLINE"] = "1"
