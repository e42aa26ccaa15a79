// Geometry of the drawn loop. A stadium, run clockwise from the scanner at the upper left: the two
// straights and the right bend carry the chutes, to scale; the left bend is the way back past the
// induction stations, and not to scale.

const LEFT = 250, RIGHT = 1030, TOP = 150, BOTTOM = 450, RADIUS = (BOTTOM - TOP) / 2;
const STRAIGHT = RIGHT - LEFT, BEND = Math.PI * RADIUS, MIDDLE = (TOP + BOTTOM) / 2;
export const ROUND = 2 * STRAIGHT + 2 * BEND;
export const CHUTE_ZONE = 2 * STRAIGHT + BEND;
const ZONE_END = 0.985;

export const TRACK =
  `M${LEFT} ${TOP}H${RIGHT}A${RADIUS} ${RADIUS} 0 0 1 ${RIGHT} ${BOTTOM}` +
  `H${LEFT}A${RADIUS} ${RADIUS} 0 0 1 ${LEFT} ${TOP}Z`;

// The point at a distance along the track, and the angle (degrees) by which "up" turns outwards.
export function at(distance) {
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

// What the loop's times are, learnt from the pieces themselves: how long from each station to the
// scanner, how long a lap.
export class Times {
  constructor() {
    this.last = 1;
    this.lap = null;
    this.station = new Map();
  }

  learn(picture) {
    const furthest = Math.max(1, ...picture.chutes.map((chute) => chute.position_mm));
    this.last = (furthest / Math.max(1, picture.speed_mm_s)) * 1000;
    for (const piece of picture.pieces) {
      if (piece.since_scan_ms === null || piece.station === 0) continue;
      const before = piece.since_induction_ms - piece.since_scan_ms;
      if (piece.lap === 0) this.station.set(piece.station, before);
      else if (this.station.has(piece.station))
        this.lap = (before - this.station.get(piece.station)) / piece.lap;
    }
  }

  get back() {
    const known = Math.max(0, ...this.station.values()) * 1.25;
    return Math.max(this.lap === null ? this.last * 0.4 : this.lap - this.last, known, 1000);
  }

  // Distance along the track of a piece that passed the scanner so long ago.
  afterScan(ms) {
    if (ms <= this.last) return (ms / this.last) * CHUTE_ZONE * ZONE_END;
    const share = Math.min(1, (ms - this.last) / this.back);
    return CHUTE_ZONE * ZONE_END + share * (ROUND - CHUTE_ZONE * ZONE_END - 4);
  }

  // Distance of a piece that will reach the scanner after so long.
  beforeScan(ms) {
    const share = Math.min(1, Math.max(0, ms / this.back));
    return ROUND - 4 - share * (ROUND - CHUTE_ZONE - 8);
  }
}
