DROP TABLE unheard_instances;
