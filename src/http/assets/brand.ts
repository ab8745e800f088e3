type Rgb = [number, number, number];

/** The background of the pages, light and dark. The style sheet takes it from here. */
export const SURFACES = { light: '#ffffff', dark: '#1b2026' } as const;
/** Nothing less than black will do: on a middle grey neither a dark grey nor white can be read. */
const INKS = ['#ffffff', '#000000'] as const;
/** WCAG AA for text. */
const READABLE = 4.5;

const parse = (color: string): Rgb => [1, 3, 5].map((at) => Number.parseInt(color.slice(at, at + 2), 16)) as Rgb;
const print = (rgb: Rgb) => `#${rgb.map((c) => Math.round(c).toString(16).padStart(2, '0')).join('')}`;

function luminance(color: string): number {
  const [r, g, b] = parse(color).map((c) =>
    c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4,
  );
  return 0.2126 * (r as number) + 0.7152 * (g as number) + 0.0722 * (b as number);
}

/** Contrast of two colours (`#rrggbb`) as WCAG defines it: 1 to 21. */
export function contrast(a: string, b: string): number {
  const [lower, higher] = [luminance(a), luminance(b)].sort((x, y) => x - y) as [number, number];
  return (higher + 0.05) / (lower + 0.05);
}

/** White or black, whichever is easier to read on `color`. */
export const inkOn = (color: string): string =>
  contrast(color, INKS[0]) >= contrast(color, INKS[1]) ? INKS[0] : INKS[1];

/** `color`, mixed with as much of the ink of `surface` as it takes to be read there. */
export function readableOn(color: string, surface: string): string {
  const from = parse(color);
  const to = parse(inkOn(surface));
  for (let share = 0; share < 1; share += 0.05) {
    const mixed = print(from.map((c, i) => c + ((to[i] as number) - c) * share) as Rgb);
    if (contrast(mixed, surface) >= READABLE) return mixed;
  }
  return print(to);
}

const theme = (accent: string, surface: string) =>
  `--surface:${surface};--accent:${accent};--on-accent:${inkOn(accent)};--accent-ink:${readableOn(accent, surface)}`;

/** The style sheet with a brand's colours. The pages' policy allows no inline styles, so it is a file. */
export const brandSheet = (light: string, dark: string): string =>
  `:root{${theme(light, SURFACES.light)}}\n@media (prefers-color-scheme:dark){:root{${theme(dark, SURFACES.dark)}}}\n`;
