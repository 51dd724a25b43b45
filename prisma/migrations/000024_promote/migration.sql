-- Linked volumes of a machine can be given blocks of their own, by a task.
ALTER TYPE task_operation ADD VALUE 'PROMOTE';
