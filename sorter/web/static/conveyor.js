// Geometry of a drawn diverter line: straight, from the induction station at the left past the
// scanner to the end of the conveyor; the chutes to scale.

const LEFT = 10, RIGHT = 1250, Y = 470, SCANNER = 170;
const LENGTH = RIGHT - LEFT;

export const CONVEYOR = {
  track: `M${LEFT} ${Y}H${RIGHT}`,
  at: (distance) => ({ x: LEFT + Math.min(LENGTH, Math.max(0, distance)), y: Y, turn: 0 }),
  scanner: SCANNER,
  chuteZone: LENGTH - SCANNER - 26,
  // What is past the last chute waits at the end until the PLC has told of it.
  onTheWayBack: () => LENGTH - 12,
  toTheScanner: (share) => SCANNER - 14 - share * (SCANNER - 30),
  end: LENGTH,
  note: "",
};
