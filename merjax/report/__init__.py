"""Reports: from the predictions of finished runs to tables, figures, a page and logs.

    predictions -> entries -> scores -> tables and figures -> page, CSV, LaTeX, Markdown, logs

Every number comes from the saved predictions alone; nothing here trains, and `scores.csv` is not read.
"""
