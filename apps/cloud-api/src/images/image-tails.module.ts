import { Module } from '@nestjs/common';

import { ImageTails } from './image-tails.js';
import { ReviewedImages } from './reviewed-images.js';

@Module({ providers: [ImageTails, ReviewedImages], exports: [ImageTails, ReviewedImages] })
export class ImageTailsModule {}
