DROP TABLE interface_security_groups;
DROP TABLE ip_addresses;
DROP TABLE network_interfaces;
