import { Module } from '@nestjs/common';

import { loadPageAssets, PAGE_ASSETS } from './page-assets.js';
import { PageController } from './page.controller.js';

@Module({ controllers: [PageController], providers: [{ provide: PAGE_ASSETS, useFactory: loadPageAssets }] })
export class PageModule {}
