DROP TABLE tasks;
DROP TYPE task_status, task_operation;
