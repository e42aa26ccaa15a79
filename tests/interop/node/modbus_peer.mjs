// Usage: node modbus_peer.mjs jsmodbus|modbus-serial REGISTERS
import net from "node:net";
import { drive } from "./image.mjs";

const [library, size] = [process.argv[2], Number(process.argv[3])];

if (library === "jsmodbus") {
  const { default: jsmodbus } = await import("jsmodbus");
  const holding = Buffer.alloc(2 * size);
  const image = {
    get: (at) => holding.readUInt16BE(2 * at),
    set: (at, value) => holding.writeUInt16BE(value, 2 * at),
  };
  const server = new net.Server();
  new jsmodbus.server.TCP(server, { holding });
  server.on("connection", (socket) => socket.on("error", () => {}));
  server.listen(0, "127.0.0.1", () => drive(image, server.address().port));
} else {
  const { default: serial } = await import("modbus-serial");
  const registers = new Uint16Array(size);
  const image = {
    get: (at) => registers[at],
    set: (at, value) => { registers[at] = value; },
  };
  const vector = {
    getHoldingRegister: (at) => registers[at],
    setRegister: (at, value) => { registers[at] = value; },
  };
  // The library takes port 0 for 502: a free one is found before.
  const probe = net.createServer().listen(0, "127.0.0.1", () => {
    const { port } = probe.address();
    probe.close(() => {
      const server = new serial.ServerTCP(vector, { host: "127.0.0.1", port, unitID: 1 });
      for (const name of ["socketError", "serverError", "error"]) server.on(name, () => {});
      server.on("initialized", () => drive(image, port));
    });
  });
}
