// A node-opcua server with one turbine. Arguments: port, folder of its certificates, "open" or "secure".
// On a line of standard input: {"path": {value, status, time}}, what to show. Says "ready" when it listens and
// "shown" after each line.
"use strict";
const readline = require("node:readline");
const path = require("node:path");
const { OPCUAServer } = require("node-opcua-server");
const { MessageSecurityMode, SecurityPolicy } = require("node-opcua-secure-channel");
const { OPCUACertificateManager } = require("node-opcua-certificate-manager");
const { DataType } = require("node-opcua-variant");
const { StatusCodes } = require("node-opcua-status-code");

const [port, folder, kind] = process.argv.slice(2);
const secure = kind === "secure";
const NODES = {
  "Grid/ActivePower": DataType.Int32,
  "Met/WindSpeed": DataType.Float,
  "Met/Ambient": DataType.Double,
  State: DataType.UInt16,
  "Grid/Setpoint": DataType.Float,
};

async function main() {
  const manager = (name) =>
    new OPCUACertificateManager({ rootFolder: path.join(folder, name), automaticallyAcceptUnknownCertificate: false });
  const server = new OPCUAServer({
    port: Number(port),
    host: "127.0.0.1",
    hostname: "127.0.0.1",
    resourcePath: "/peer",
    serverInfo: { applicationUri: "urn:peer:node-opcua", productUri: "urn:peer" },
    serverCertificateManager: manager("pki"),
    userCertificateManager: manager("users"),
    certificateFile: path.join(folder, "server.pem"),
    privateKeyFile: path.join(folder, "server.key.pem"),
    securityModes: secure ? [MessageSecurityMode.SignAndEncrypt] : [MessageSecurityMode.None],
    securityPolicies: secure ? [SecurityPolicy.Basic256Sha256] : [SecurityPolicy.None],
    allowAnonymous: !secure,
    userManager: { isValidUser: (user, password) => user === "operator" && password === "wind & rain" },
    registerServerMethod: 1,
    // Every change is told: by default what changes twice within 100 ms is folded into one, as it is in a burst after
    // a moment in which the machine was busy.
    serverCapabilities: { minSupportedSampleRate: 0 },
  });
  await server.initialize();
  const space = server.engine.addressSpace;
  const own = space.registerNamespace("urn:test:vendor");
  const park = own.addFolder(space.rootFolder.objects, { browseName: "Park" });
  const device = own.addFolder(park, { browseName: "T1" });
  const folders = {};
  const variables = {};
  for (const [place, dataType] of Object.entries(NODES)) {
    const parts = place.split("/");
    const leaf = parts.pop();
    const above = parts.length ? (folders[parts[0]] ??= own.addFolder(device, { browseName: parts[0] })) : device;
    variables[place] = own.addVariable({
      componentOf: above, browseName: leaf, dataType, minimumSamplingInterval: 0,
      accessLevel: leaf === "Setpoint" ? "CurrentRead | CurrentWrite" : "CurrentRead",
      userAccessLevel: leaf === "Setpoint" ? "CurrentRead | CurrentWrite" : "CurrentRead",
      value: { dataType, value: 0 },
    });
  }
  readline.createInterface({ input: process.stdin }).on("line", (line) => {
    for (const [place, { value, status, time }] of Object.entries(JSON.parse(line))) {
      variables[place].setValueFromSource(
        { dataType: NODES[place], value }, StatusCodes[status ?? "Good"], new Date(time));
    }
    console.log("shown");
  }).on("close", () => process.exit(0));
  await server.start();
  console.log("ready");
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
