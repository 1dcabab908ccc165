"""The commands of `recog`, one a file: `add_options` fills a parser, `run` calls pipelines and prints."""
