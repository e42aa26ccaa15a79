// Usage: node scanner_peer.mjs 2.182|2.186 CERTIFICATE KEY FOLDER
// An AutoID device as OPC 30010's own nodeset has it: an OpticalReaderDevice whose events are of a
// maker's subtype of OpticalScanEventType, with the piece id in a field of the maker's. Prints its
// port, then answers each line {"codes": [[kind, text], ...], "piece": id, "ago_ms": n} with "ok".
import { EventEmitter } from "node:events";
import { createInterface } from "node:readline";

const [version, certificateFile, privateKeyFile, folder] = process.argv.slice(2);
// Sessions that a bad network broke listen on until they time out. From the eleventh on node would
// warn of a leak, and 2.182 throws as it describes itself for that.
EventEmitter.defaultMaxListeners = 0;
const module = await import("node-opcua-" + version);
const opcua = module.default ?? module;
const { DataType, VariantArrayType, MessageSecurityMode, SecurityPolicy } = opcua;

// The library talks on standard output, which is for answers here.
for (const name of ["log", "warn", "info", "error"]) console[name] = () => {};

const AUTOID = "http://opcfoundation.org/UA/AutoID/";
const OWN = "urn:sorting-centre:emulator";

const manager = new opcua.OPCUACertificateManager({
  automaticallyAcceptUnknownCertificate: true, rootFolder: folder,
});
await manager.initialize();
const server = new opcua.OPCUAServer({
  port: 0, hostname: "127.0.0.1", certificateFile, privateKeyFile,
  serverCertificateManager: manager,
  securityModes: [MessageSecurityMode.SignAndEncrypt],
  securityPolicies: [SecurityPolicy.Basic256Sha256],
  allowAnonymous: true,
  nodeset_filename: [opcua.nodesets.standard, opcua.nodesets.di, opcua.nodesets.autoId],
});
await server.initialize();
const space = server.engine.addressSpace;
// An odd number of namespaces before it, so that no index is what another server has.
space.registerNamespace("urn:something:else");
const own = space.registerNamespace(OWN);
const autoid = space.getNamespaceIndex(AUTOID);
const device = space.findObjectType("OpticalReaderDeviceType", autoid).instantiate({
  organizedBy: space.rootFolder.objects, browseName: "Scanner", nodeId: "s=Scanner",
  eventSourceOf: space.rootFolder.objects.server, namespace: own, optionals: ["LastScanData"],
});
device.setEventNotifier(1);
const eventType = own.addEventType({
  browseName: "MakersScanEventType", subtypeOf: space.findEventType("OpticalScanEventType", autoid),
});
own.addVariable({
  propertyOf: eventType, browseName: "TriggerId", dataType: DataType.UInt32,
  modellingRule: "Mandatory",
});

const resultType = space.findDataType("OpticalScanResult", autoid);
const epcType = space.findDataType("ScanDataEpc", autoid);
const scanData = (kind, text) => {
  if (kind === "bytes") return { byteString: Buffer.from(text) };
  if (kind !== "epc") return { string: text };
  const uId = Buffer.from(text, "hex");
  return { epc: space.constructExtensionObject(epcType, { pc: 0x3000, uId, xpC_W1: 0, xpC_W2: 0 }) };
};
const result = ([kind, text], timestamp) => {
  const aim = text.startsWith("]") && kind === "text" ? text.slice(0, 3) : undefined;
  return space.constructExtensionObject(resultType, {
    codeType: "RAW:STRING", scanData: scanData(kind, aim ? text.slice(3) : text), timestamp,
    ...(aim ? { symbology: aim } : {}),
  });
};
const tell = ({ codes, piece, ago_ms: ago }) => {
  const at = new Date(Date.now() - ago);
  device.raiseEvent(eventType, {
    time: { dataType: DataType.DateTime, value: at },
    scanResult: {
      dataType: DataType.ExtensionObject, arrayType: VariantArrayType.Array,
      value: codes.map((code) => result(code, at)),
    },
    deviceName: { dataType: DataType.String, value: "Scanner" },
    triggerId: { dataType: DataType.UInt32, value: piece },
  });
  const last = codes.length ? codes[0][1] : "";
  device.getComponentByName("LastScanData").setValueFromSource(
    { dataType: DataType.String, value: last.startsWith("]") ? last.slice(3) : last },
    opcua.StatusCodes.Good, at,
  );
};
await server.start();
process.stdout.write(server.endpoints[0].port + "\n");
createInterface({ input: process.stdin }).on("line", (line) => {
  tell(JSON.parse(line));
  process.stdout.write("ok\n");
}).on("close", () => process.exit(0));
