// Usage: node opcua_peer.mjs 2.182|2.186 REGISTERS CERTIFICATE KEY FOLDER [SECURITY]
// Serves the image as arrays of UInt16. SECURITY is JSON: policy, the certificate of the one host
// that is trusted, and that of the one user; without them every host is, and no user is asked for.
import { EventEmitter } from "node:events";
import { readFileSync } from "node:fs";
import { drive, EVENTS, SEATS } from "./image.mjs";

const [version, size, certificateFile, privateKeyFile, folder, given] = process.argv.slice(2);
const { policy = "Basic256Sha256", host, user } = JSON.parse(given ?? "{}");
// As in scanner_peer.mjs: broken sessions listen on until they time out, and 2.182 dies of many.
EventEmitter.defaultMaxListeners = 0;
const module = await import("node-opcua-" + version);
const opcua = module.default ?? module;
const { DataType, VariantArrayType, MessageSecurityMode, SecurityPolicy, UserTokenType } = opcua;

// The library talks on standard output, which is for answers here.
for (const name of ["log", "warn", "info", "error"]) console[name] = () => {};

async function trusting(rootFolder, certificate) {
  const manager = new opcua.OPCUACertificateManager({
    automaticallyAcceptUnknownCertificate: !certificate, rootFolder,
  });
  await manager.initialize();
  if (certificate) await manager.trustCertificate(readFileSync(certificate));
  return manager;
}
const server = new opcua.OPCUAServer({
  port: 0, hostname: "127.0.0.1", certificateFile, privateKeyFile,
  serverCertificateManager: await trusting(folder + "/hosts", host),
  userCertificateManager: await trusting(folder + "/users", user),
  securityModes: [MessageSecurityMode.SignAndEncrypt],
  securityPolicies: [SecurityPolicy[policy]],
  allowAnonymous: !user,
  userTokenTypes: [user ? UserTokenType.Certificate : UserTokenType.Anonymous],
  nodeset_filename: [opcua.nodesets.standard],
});
await server.initialize();
const space = server.engine.addressSpace;
const namespace = space.registerNamespace("urn:sorting-centre:mailbox");
const parent = space.rootFolder.objects;

const SEAT = (EVENTS - SEATS) / 2;
const blocks = [
  { name: "Header", base: 0, length: SEATS, part: "header" },
  { name: "Seat0", base: SEATS, length: SEAT, part: "seats" },
  { name: "Seat1", base: SEATS + SEAT, length: SEAT, part: "seats" },
  { name: "Events", base: EVENTS, length: Number(size) - EVENTS, part: "events" },
];
const array = (values) => ({
  dataType: DataType.UInt16, arrayType: VariantArrayType.Array, value: values,
});
for (const block of blocks) {
  block.values = new Uint16Array(block.length);
  block.node = namespace.addVariable({
    organizedBy: parent, nodeId: "s=Mailbox." + block.name, browseName: block.name,
    dataType: DataType.UInt16, valueRank: 1, arrayDimensions: [block.length],
    value: array(new Uint16Array(block.length)),
  });
}
const head = namespace.addVariable({
  organizedBy: parent, nodeId: "s=Mailbox.Head", browseName: "Head", dataType: DataType.UInt32,
  value: { dataType: DataType.UInt32, value: 0 },
});

const seats = blocks.filter((block) => block.part === "seats");
const pull = () => {
  for (const block of seats) block.values = Uint16Array.from(block.node.readValue().value.value);
};
const blockAt = (at) => blocks.find(({ base, length }) => at < base + length);
const image = {
  get: (at) => { const block = blockAt(at); return block.values[at - block.base]; },
  set: (at, value) => { const block = blockAt(at); block.values[at - block.base] = value; },
};
const publish = (touched) => {
  // The ring before the header, and both before the head that wakes the host.
  for (const block of [...blocks].reverse())
    if (touched.has(block.part)) block.node.setValueFromSource(array(block.values.slice()));
  if (touched.has("events")) {
    const header = blocks[0].values;
    head.setValueFromSource({ dataType: DataType.UInt32, value: header[12] * 65536 + header[13] });
  }
};
await server.start();
drive(image, server.endpoints[0].port, publish, pull);
