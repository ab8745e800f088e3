import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { hashPassword } from '../../src/http/sign-in/password.ts';
import { complaintsOf, openBrowser, takePicture } from '../support/browser.ts';
import { type FolderProxy, startFolderProxy } from '../support/folder-proxy.ts';
import { accepted, LARGE, subject } from '../support/subject.ts';
import { createWorld, type World } from '../support/world.ts';

vi.setConfig({ testTimeout: 120_000 });

const PASSWORD = 'a long password';
let world: World;
let browser: Browser;
const proxies: FolderProxy[] = [];

beforeAll(async () => {
  const env = { LETHE_DASHBOARD_USERS: `otto=ops=${await hashPassword(PASSWORD)}`, LETHE_UNDO_WINDOW: '1h' };
  world = await createWorld({ env });
  browser = await openBrowser();
});
afterAll(async () => {
  await browser?.close();
  for (const proxy of proxies) proxy.close();
  await world?.close();
});

describe.each([true, false])('behind a proxy that takes the folder off: %s', (takesOff) => {
  it('a browser signs in, opens an erasure and the queues, and undoes on the status page', async () => {
    const proxy = await startFolderProxy('/lethe', takesOff);
    proxies.push(proxy);
    const base = `${proxy.origin}/lethe`;
    const call = await world.api({ LETHE_PUBLIC_URL: base });
    proxy.pointAt(call.base);
    const { account } = await subject(world.sql, LARGE);
    const asked = await accepted(call, account);
    const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
    page.setDefaultTimeout(40_000);
    const complaints = complaintsOf(page);

    await page.goto(`${base}/admin`);
    expect(page.url()).toBe(`${base}/admin/login`);
    await page.getByLabel('Name').fill('otto');
    await page.getByLabel('Password').fill(PASSWORD);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.waitForURL(`${base}/admin/erasures`);
    await page.locator(`td a.id[href$="${asked.id}"]`).click();
    await page.waitForURL(`${base}/admin/erasures/${asked.id}`);
    await takePicture(page, `folder-${takesOff}-erasure`);
    await page.getByRole('link', { name: 'Queues' }).click();
    await page.getByText('housekeeping').first().click();
    await page.waitForURL(`${base}/admin/queues/queue/housekeeping**`);
    await takePicture(page, `folder-${takesOff}-queues`);
    await page.goto(`${base}/admin/erasures`);
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.waitForURL(`${base}/admin/login`);

    await page.goto(String(asked.answer.body.statusUrl));
    await takePicture(page, `folder-${takesOff}-status`);
    await page.getByRole('button', { name: 'Undo the deletion' }).click();
    await page.locator('main[data-shown="cancelled"]').waitFor();
    expect(page.url()).toBe(asked.answer.body.statusUrl);
    // The queues' page would like its font from a third party.
    expect(complaints.filter((text) => !text.includes('fonts.googleapis.com'))).toEqual([]);
    await page.close();
  });
});
