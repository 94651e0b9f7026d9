#!/usr/bin/node
// SPDX-License-Identifier: Apache-2.0
// Node: an HTTP server in a child process, a client with kept-alive connections in this one, and a
// worker thread that hashes.
'use strict';
const http = require('http');
const crypto = require('crypto');
const { fork } = require('child_process');
const { Worker, isMainThread, parentPort } = require('worker_threads');

const steps = 25 * (process.env.SCALE || 1);

function serve() {
	const server = http.createServer((request, response) => {
		const hash = crypto.createHash('sha256').update(request.url);
		request.on('data', part => hash.update(part));
		request.on('end', () => {
			const digest = hash.digest('hex');
			response.setHeader('x-length', digest.length);
			setTimeout(() => response.end(digest.repeat(400)), 5);
		});
	});
	server.keepAliveTimeout = 0;
	server.requestTimeout = 0;
	server.listen(0, '127.0.0.1', () => process.send(server.address().port));
	process.on('disconnect', () => process.exit(0));
}

function ask(agent, port, path, body) {
	return new Promise((resolve, reject) => {
		const request = http.request({ agent, port, host: '127.0.0.1', path, method: 'POST' }, response => {
			const hash = crypto.createHash('sha256');
			response.on('data', part => hash.update(part));
			response.on('end', () => resolve(hash.digest('hex')));
		});
		request.on('error', reject);
		request.end(body);
	});
}

async function main() {
	const agent = new http.Agent({ keepAlive: true, maxSockets: 4 });
	const child = fork(__filename, ['serve']);
	const port = await new Promise(resolve => child.once('message', resolve));
	const worker = new Worker(__filename);
	let last = 'begin';
	for (let step = 0; step < steps; step++) {
		const asked = [1, 2, 3, 4, 5, 6].map(n => ask(agent, port, `/${step}/${n}`, last.repeat(n * 50)));
		const answers = await Promise.all(asked);
		worker.postMessage(answers.join());
		last = await new Promise(resolve => worker.once('message', resolve));
		console.log(`step ${step} ${last.slice(0, 16)}`);
	}
	agent.destroy();
	worker.postMessage(null);
	const code = new Promise(resolve => child.once('exit', resolve));
	child.disconnect();
	console.log(`result ${last} ${await code}`);
}

function hash() {
	parentPort.on('message', text => {
		if (text === null)
			return parentPort.close();
		let digest = text;
		for (let i = 0; i < 4000; i++)
			digest = crypto.createHash('sha256').update(digest).digest('hex');
		parentPort.postMessage(digest);
	});
}

if (process.argv[2] === 'serve')
	serve();
else if (isMainThread)
	main();
else
	hash();
