// Geometry of the drawn loop. A stadium, run clockwise from the scanner at the upper left: the two
// straights and the right bend carry the chutes, to scale; the left bend is the way back past the
// induction stations, and not to scale.

const LEFT = 250, RIGHT = 1030, TOP = 150, BOTTOM = 450, RADIUS = (BOTTOM - TOP) / 2;
const STRAIGHT = RIGHT - LEFT, BEND = Math.PI * RADIUS, MIDDLE = (TOP + BOTTOM) / 2;
const ROUND = 2 * STRAIGHT + 2 * BEND;
const CHUTE_ZONE = 2 * STRAIGHT + BEND;
const ZONE_END = 0.985;

const TRACK =
  `M${LEFT} ${TOP}H${RIGHT}A${RADIUS} ${RADIUS} 0 0 1 ${RIGHT} ${BOTTOM}` +
  `H${LEFT}A${RADIUS} ${RADIUS} 0 0 1 ${LEFT} ${TOP}Z`;

// The point at a distance along the track, and the angle (degrees) by which "up" turns outwards.
function at(distance) {
  let d = ((distance % ROUND) + ROUND) % ROUND;
  if (d < STRAIGHT) return { x: LEFT + d, y: TOP, turn: 0 };
  d -= STRAIGHT;
  if (d < BEND) return onBend(RIGHT, d / RADIUS);
  d -= BEND;
  if (d < STRAIGHT) return { x: RIGHT - d, y: BOTTOM, turn: 180 };
  return onBend(LEFT, Math.PI + (d - STRAIGHT) / RADIUS);
}

function onBend(x, angle) {
  return {
    x: x + RADIUS * Math.sin(angle), y: MIDDLE - RADIUS * Math.cos(angle),
    turn: (angle * 180) / Math.PI,
  };
}

export const LOOP = {
  track: TRACK,
  at,
  scanner: 0,
  chuteZone: CHUTE_ZONE * ZONE_END,
  // Distance along the track of a piece that passed the last chute, by the share of its way back.
  onTheWayBack: (share) => CHUTE_ZONE * ZONE_END + share * (ROUND - CHUTE_ZONE * ZONE_END - 4),
  // Distance of a piece that will reach the scanner, by its share of the way from the first station.
  toTheScanner: (share) => ROUND - 4 - share * (ROUND - CHUTE_ZONE - 8),
  end: ROUND - 2,
  note: "return_zone",
};
