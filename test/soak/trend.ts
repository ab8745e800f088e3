/** A value at a time in seconds. */
export type Point = { at: number; value: number };

/** How much a series may grow over the time that is judged: the larger of the two counts. */
export type Tolerance = { absolute: number; share: number };

export type Trend = {
  /** Of the fitted line, at its start and its end. */
  from: number;
  to: number;
  growing: boolean;
};

/** With fewer points a line says nothing. */
export const FEWEST_POINTS = 12;
/** A line that rises by less than this many standard deviations of what is left over is lost in the noise. */
const NOISE = 2;

/** The straight line with the least squares: `value ≈ start + slope × (at − first at)`. */
export function fitLine(points: readonly Point[]): { start: number; slope: number; spread: number } {
  const n = points.length;
  const first = points[0]?.at ?? 0;
  const meanAt = points.reduce((sum, p) => sum + (p.at - first), 0) / n;
  const meanValue = points.reduce((sum, p) => sum + p.value, 0) / n;
  let square = 0;
  let product = 0;
  for (const { at, value } of points) {
    square += (at - first - meanAt) ** 2;
    product += (at - first - meanAt) * (value - meanValue);
  }
  const slope = square === 0 ? 0 : product / square;
  const start = meanValue - slope * meanAt;
  const left = points.reduce((sum, p) => sum + (p.value - start - slope * (p.at - first)) ** 2, 0);
  return { start, slope, spread: Math.sqrt(left / n) };
}

/**
 * Whether a series grows: the fitted line rises by more than is tolerated, and by more than the noise around it. A
 * leak rises steadily; what fills and is emptied again (garbage, finished jobs, dead rows) has as much spread as it
 * has rise. Undefined with too few points.
 */
export function judge(points: readonly Point[], tolerance: Tolerance): Trend | undefined {
  if (points.length < FEWEST_POINTS) return undefined;
  const { start, slope, spread } = fitLine(points);
  const span = (points.at(-1)?.at ?? 0) - (points[0]?.at ?? 0);
  const growth = slope * span;
  const tolerated = Math.max(tolerance.absolute, tolerance.share * Math.abs(start));
  return { from: start, to: start + growth, growing: growth > tolerated && growth > NOISE * spread };
}
