import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { StorestowError } from '../../../core/errors.ts';
import { createLog } from '../../../core/logging.ts';
import { objectCreated } from '../../../core/store/object-event.ts';
import { listenToWebhook, type WebhookListener } from '../../../local-cloud/webhook-listener.ts';

const TOKEN = 'a token';
const KEY = 'incoming/default/CT1@10.0.0.7/1.2/1.3/1.4~0123456789ab.dcm';

describe('listenToWebhook', () => {
  let listener: WebhookListener;
  let queued: string[];
  let full: boolean;

  beforeEach(async () => {
    queued = [];
    full = false;
    listener = await listenToWebhook({
      enqueue(arrivals) {
        if (full) throw new StorestowError('STORE_FULL', 'as the test wants it');
        queued.push(...arrivals.map(({ key }) => key));
      },
      token: TOKEN,
      log: createLog({ level: 'silent' }),
    });
  });
  afterEach(async () => listener.close());

  async function post(body: string, authorization: string | undefined = `Bearer ${TOKEN}`, method = 'POST'): Promise<number> {
    const { status } = await fetch(listener.url, {
      method,
      headers: authorization === '' ? {} : { authorization },
      ...(method === 'POST' ? { body } : {}),
    });
    return status;
  }
  const event = JSON.stringify({ EventName: 's3:ObjectCreated:Put', Key: `b/${KEY}`, ...objectCreated('b', [KEY]) });

  it('queues what MinIO tells of, then answers', async () => {
    expect(await post(event)).toBe(200);
    expect(queued).toEqual([KEY]);
  });

  it.each(['', 'Bearer other', TOKEN, `Bearer ${TOKEN} `.repeat(2)])('refuses the authorization %j', async (authorization) => {
    expect(await post(event, authorization)).toBe(401);
    expect(queued).toEqual([]);
  });

  it('does not answer 200 for what it could not store, so that MinIO sends it again', async () => {
    full = true;
    expect(await post(event)).toBe(503);
    full = false;
    expect(await post(event)).toBe(200);
    expect(queued).toEqual([KEY]);
  });

  it.each(['', 'not json', 'null', '{"Records":[{}]}'])('passes over %j: kept, it would hold up all others', async (body) => {
    expect(await post(body)).toBe(200);
    expect(queued).toEqual([]);
  });

  it('refuses a body that is too long', async () => {
    expect(await post('x'.repeat(1024 * 1024 + 1))).toBe(413);
  });

  it('cuts off a body that grows too long, and lives on', async () => {
    const { hostname, port } = new URL(listener.url);
    const socket = connect(Number(port), hostname);
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.on('error', () => undefined);
    socket.write(`POST / HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${TOKEN}\r\ntransfer-encoding: chunked\r\n\r\n`);
    for (let sent = 0; sent < 3 * 1024 * 1024; sent += 65_536) socket.write(`10000\r\n${'x'.repeat(65_536)}\r\n`);
    await closed;
    expect(await post(event)).toBe(200);
  });

  it('answers another method 405', async () => {
    expect(await post('', undefined, 'HEAD')).toBe(405);
  });

  it('says that its port is taken', async () => {
    const port = Number(new URL(listener.url).port);
    const options = { enqueue: () => undefined, token: TOKEN, log: createLog({ level: 'silent' }), port };
    await expect(listenToWebhook(options)).rejects.toMatchObject({ code: 'PORT_IN_USE' });
  });
});
