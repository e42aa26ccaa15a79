// A mailbox image that a server of somebody else's holds as plain memory, driven over stdin:
// each line writes runs of registers, "address:hex;address:hex"; the answer is the host's
// registers as hex, or "=" if they have not changed since the last answer.
import { createInterface } from "node:readline";

export const SEATS = 40, EVENTS = 1208;

export function drive(image, port, afterLine = () => {}, beforeAnswer = () => {}) {
  let last = "";
  createInterface({ input: process.stdin }).on("line", (line) => {
    const touched = new Set();
    for (const run of line.split(";").filter((text) => text)) {
      const [at, hex] = run.split(":");
      for (let i = 0; i < hex.length / 4; i++) {
        const address = Number(at) + i;
        image.set(address, parseInt(hex.slice(4 * i, 4 * i + 4), 16));
        touched.add(address < SEATS ? "header" : address < EVENTS ? "seats" : "events");
      }
    }
    afterLine(touched);
    beforeAnswer();
    let seats = "";
    for (let at = SEATS; at < EVENTS; at++) seats += image.get(at).toString(16).padStart(4, "0");
    process.stdout.write((seats === last ? "=" : seats) + "\n");
    last = seats;
  }).on("close", () => process.exit(0));
  process.stdout.write(port + "\n");
}
