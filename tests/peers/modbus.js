// A modbus-serial server: holding registers, input registers and coils of one unit. Argument: port.
// On a line of standard input: {"table": {"address": value}} to show. Says "ready" when it listens and
// "shown" after each line.
"use strict";
const readline = require("node:readline");
const { ServerTCP } = require("modbus-serial");

const tables = { holding: {}, input: {}, coil: {}, discrete: {} };
const illegal = () => Object.assign(new Error("no such address"), { modbusErrorCode: 2 });
const ask = (table) => (address) => {
  if (!(address in tables[table])) throw illegal();
  return tables[table][address];
};
const order = (table) => (address, value) => {
  if (!(address in tables[table])) throw illegal();
  tables[table][address] = value;
};
const server = new ServerTCP(
  {
    getHoldingRegister: ask("holding"), getInputRegister: ask("input"), getCoil: ask("coil"),
    getDiscreteInput: ask("discrete"), setRegister: order("holding"), setCoil: order("coil"),
  },
  { host: "127.0.0.1", port: Number(process.argv[2]), unitID: 1 },
);
server.on("initialized", () => console.log("ready"));
server.on("serverError", (error) => { console.error(error); process.exit(1); });
readline.createInterface({ input: process.stdin }).on("line", (line) => {
  for (const [table, values] of Object.entries(JSON.parse(line))) Object.assign(tables[table], values);
  console.log("shown");
}).on("close", () => process.exit(0));
