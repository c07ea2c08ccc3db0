export * from './frame.js';
export * from './tracking-iou.js';
export * from './tracking.js';
