import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { brandSheet, contrast, inkOn, readableOn, SURFACES } from '../../src/http/assets/brand.ts';

const color = fc.integer({ min: 0, max: 0xffffff }).map((n) => `#${n.toString(16).padStart(6, '0')}`);

describe('the colours of a brand', () => {
  it('are compared as WCAG compares them', () => {
    expect(contrast('#000000', '#ffffff')).toBeCloseTo(21, 5);
    expect(contrast('#777777', '#ffffff')).toBeCloseTo(4.478, 3);
    expect(contrast('#1f5f8b', '#1F5F8B')).toBe(1);
  });

  it('leave every text readable, whatever the brand has chosen', () => {
    fc.assert(
      fc.property(color, fc.constantFrom(...Object.values(SURFACES)), (accent, surface) => {
        expect(contrast(inkOn(accent), accent)).toBeGreaterThanOrEqual(4.5);
        expect(contrast(readableOn(accent, surface), surface)).toBeGreaterThanOrEqual(4.5);
      }),
    );
  });

  it('are changed no further than it takes', () => {
    expect(readableOn('#1f5f8b', SURFACES.light)).toBe('#1f5f8b');
    expect(readableOn('#7cc4f0', SURFACES.dark)).toBe('#7cc4f0');
    expect(readableOn('#ffee00', SURFACES.light)).not.toBe('#000000');
  });

  it('go into a style sheet, the light ones by default', () => {
    expect(brandSheet('#ffee00', '#101010')).toBe(
      `:root{--surface:#ffffff;--accent:#ffee00;--on-accent:#000000;--accent-ink:${readableOn('#ffee00', '#ffffff')}}\n` +
        `@media (prefers-color-scheme:dark){:root{--surface:#1b2026;--accent:#101010;--on-accent:#ffffff;--accent-ink:${readableOn('#101010', '#1b2026')}}}\n`,
    );
  });
});
