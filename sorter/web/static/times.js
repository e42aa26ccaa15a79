// What a sorter's times are, learnt from the pieces themselves: how long from each station to the
// scanner, how long a lap; and where on its track a piece then is.

export class Times {
  constructor(geometry) {
    this.geometry = geometry;
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
    const { scanner, chuteZone } = this.geometry;
    if (ms <= this.last) return scanner + (ms / this.last) * chuteZone;
    return this.geometry.onTheWayBack(Math.min(1, (ms - this.last) / this.back));
  }

  // Distance of a piece that will reach the scanner after so long.
  beforeScan(ms) {
    return this.geometry.toTheScanner(Math.min(1, Math.max(0, ms / this.back)));
  }
}
