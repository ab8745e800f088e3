import { describe, expect, it } from 'vitest';
import { paceAt, parsePaceSchedule } from '../../src/settings/pace-schedule.ts';

const at = (text: string, iso: string) => paceAt(parsePaceSchedule(text), new Date(iso));

describe('LETHE_PACE', () => {
  it('is one pace for all times, balanced unless told', () => {
    expect(at('gentle', '2026-01-01T12:00:00Z')).toBe('gentle');
    expect(at('full', '2026-01-01T12:00:00Z')).toBe('full');
    expect(at('gentle 08:00-20:00', '2026-01-01T21:00:00Z')).toBe('balanced');
  });

  it('is another one from the first to before the last minute of a window', () => {
    const text = 'gentle 08:00-20:00, full';
    const paces = ['07:59:59', '08:00:00', '19:59:59', '20:00:00'].map((time) => at(text, `2026-03-02T${time}Z`));
    expect(paces).toEqual(['full', 'gentle', 'gentle', 'full']);
  });

  it('takes the first window that fits', () => {
    expect(at('full 10:00-11:00, gentle 08:00-20:00', '2026-03-02T10:30:00Z')).toBe('full');
    expect(at('gentle 08:00-20:00, full 10:00-11:00', '2026-03-02T10:30:00Z')).toBe('gentle');
  });

  it('reads days, also across the end of the week, and the whole day', () => {
    const weekend = (iso: string) => at('full Sat-Sun 00:00-24:00 UTC, gentle', iso);
    expect(weekend('2026-03-06T23:59:00Z')).toBe('gentle');
    expect(weekend('2026-03-07T00:00:00Z')).toBe('full');
    expect(weekend('2026-03-08T23:59:59Z')).toBe('full');
    expect(weekend('2026-03-09T00:00:00Z')).toBe('gentle');
    const long = (iso: string) => at('full fri-mon 10:00-11:00', iso);
    expect(['06', '08', '09'].map((day) => long(`2026-03-${day}T10:00:00Z`))).toEqual(['full', 'full', 'full']);
    expect(long('2026-03-10T10:00:00Z')).toBe('balanced');
    expect(at('full Mon 10:00-11:00', '2026-03-09T10:00:00Z')).toBe('full');
  });

  it('lets a window pass midnight: its days are those on which it begins', () => {
    const night = (iso: string) => at('full Fri 22:00-06:00', iso);
    expect(night('2026-03-06T21:59:00Z')).toBe('balanced');
    expect(night('2026-03-06T22:00:00Z')).toBe('full');
    expect(night('2026-03-07T05:59:00Z')).toBe('full');
    expect(night('2026-03-07T06:00:00Z')).toBe('balanced');
    expect(night('2026-03-06T03:00:00Z')).toBe('balanced');
    expect(night('2026-03-07T22:00:00Z')).toBe('balanced');
  });

  it('reads the wall clock of its zone, in summer and in winter', () => {
    const berlin = (iso: string) => at('gentle 08:00-20:00 Europe/Berlin', iso);
    expect(berlin('2026-01-15T07:00:00Z')).toBe('gentle');
    expect(berlin('2026-01-15T06:59:00Z')).toBe('balanced');
    expect(berlin('2026-07-15T06:00:00Z')).toBe('gentle');
    expect(berlin('2026-07-15T18:00:00Z')).toBe('balanced');
    // Monday in Auckland while it is Sunday in UTC.
    expect(at('full Mon 00:00-24:00 Pacific/Auckland', '2026-07-12T12:30:00Z')).toBe('full');
  });

  it('on the day when clocks go forward a window ends at the hour that is left out', () => {
    // Berlin, 29 March 2026: 02:00 becomes 03:00 at 01:00 UTC.
    const night = (iso: string) => at('full 23:00-02:30 Europe/Berlin', iso);
    expect(night('2026-03-29T00:59:59Z')).toBe('full');
    expect(night('2026-03-29T01:00:00Z')).toBe('balanced');
    expect(at('full 02:00-04:00 Europe/Berlin', '2026-03-29T01:00:00Z')).toBe('full');
  });

  it('on the day when clocks go back a window is an hour longer', () => {
    // Berlin, 25 October 2026: 03:00 becomes 02:00 at 01:00 UTC.
    const window = (iso: string) => at('full 02:00-03:00 Europe/Berlin', iso);
    expect(window('2026-10-25T00:30:00Z')).toBe('full');
    expect(window('2026-10-25T01:30:00Z')).toBe('full');
    expect(window('2026-10-25T02:00:00Z')).toBe('balanced');
  });

  it.each([
    ['fast', 'entry 1 of 1: expected gentle, balanced, full'],
    ['', 'entry 1 of 1: expected gentle'],
    ['gentle, ', 'entry 2 of 2: expected gentle'],
    ['gentle, full', 'entry 2 of 2: a second one without a time'],
    ['gentle 8-20', 'such as gentle Mon-Fri 08:00-20:00 Europe/Berlin'],
    ['Gentle 08:00-20:00', 'expected gentle, balanced, full'],
    ['gentle 08:00-08:00', 'expected two different times'],
    ['gentle 24:00-06:00', 'expected two different times'],
    ['gentle 08:00-24:01', 'expected two different times'],
    ['gentle 08:60-20:00', 'expected two different times'],
    ['gentle Mon-Xyz 08:00-20:00', 'expected days of Sun, Mon'],
    ['full, gentle 08:00-20:00 Europe/Bielefeld', 'entry 2 of 2: expected a time zone such as Europe/Berlin'],
    ['gentle 08:00-20:00 Europe/Berlin extra', 'expected gentle'],
  ])('refuses %j and says what was expected', (text, problem) => {
    expect(() => parsePaceSchedule(text)).toThrow(problem);
  });
});
