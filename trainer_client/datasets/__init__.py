"""Published data sets as tasks of ours: prompts, tests, and the programs whose verdict is known.

`load(name, paths)` yields one `Task` a row without holding the file; each loader's docstring gives the row
format and where it is published. What cannot be judged is refused with file, row and field.
"""

from trainer_client.datasets.loaders import LOADERS, load
from trainer_client.datasets.rows import DatasetError, Row, read_rows
from trainer_client.datasets.task import Known, Task

__all__ = ["LOADERS", "DatasetError", "Known", "Row", "Task", "load", "read_rows"]
