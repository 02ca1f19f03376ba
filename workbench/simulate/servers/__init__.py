"""Protocol servers that speak for the simulated plants: Modbus, OPC UA, MQTT."""
